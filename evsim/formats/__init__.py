"""Our file formats: networks, data, results; and where data come from."""
