"""Write the recordings of this folder with dv-processing, the library of the cameras' maker.

`python tests/recordings/write.py FOLDER`: one file a compression, all of the same events.
"""

import sys
from pathlib import Path

SENSOR = (26, 34)  # height, width
PACKET = 90  # events, so that there are several packets
START = 1_700_000_000_000_000  # us, as cameras count: since 1970


def events(count=300):
    """(t, x, y, p) of every event, from whole numbers alone."""
    height, width = SENSOR
    places = [(7 * i % width, 5 * i * i % height, i * i // 3 % 2) for i in range(count)]
    return [(START + 98 * i, *place) for i, place in enumerate(places)]


def write(path, compression):
    """Write all events to an AEDAT 4 file; between them packets of another stream."""
    import dv_processing as dv

    config = dv.io.MonoCameraWriter.Config("DVXplorer_sample", compression)
    config.addEventStream(SENSOR[::-1])
    config.addTriggerStream()
    writer = dv.io.MonoCameraWriter(dv.Path(str(path)), config)
    rows = events()
    for first in range(0, len(rows), PACKET):
        store = dv.EventStore()
        for t, x, y, p in rows[first : first + PACKET]:
            store.push_back(t, x, y, bool(p))
        writer.writeTrigger(dv.Trigger(rows[first][0], dv.TriggerType.TIMESTAMP_RESET))
        writer.writeEvents(store)


if __name__ == "__main__":
    import dv_processing

    for name in ("LZ4", "ZSTD"):
        target = Path(sys.argv[1]) / f"dv-{name.lower()}.aedat4"
        write(target, getattr(dv_processing.CompressionType, name))
        print(target, target.stat().st_size, "bytes")
