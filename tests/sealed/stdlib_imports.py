"""Sealed with the whole standard library: imports each module of it in a child of its own, prints what failed.

The first argument names a file with one module a line.
"""
import os
import sys

failed = {}
for name in open(sys.argv[1]).read().split():
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        for number in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        try:
            sys.argv[1:] = []
            __import__(name)
            said = ""
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:4000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if said or status:
        print(name, "->", said or f"status {status}")
print("done")
