"""What `import evsim` offers: a file a function, each taking paths or objects.

A function has the name of its command and the parameters of the command's options; an option that
may be given again is a parameter in the plural, which takes one or a list. What a function returns
is a record with the keys that the command prints as JSON.
"""
