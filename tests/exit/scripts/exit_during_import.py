# exit: 6
# out: finally
# quiet
"""A module that starts tasklets and calls sys.exit() while it is being imported."""
import os
import sys
import tempfile

folder = tempfile.mkdtemp()
path = os.path.join(folder, "exits_while_imported.py")
with open(path, "w") as f:
    f.write('''
import stackless, sys
def f():
    try: stackless.schedule_remove(None)
    finally: print("finally", flush=True)
t = stackless.tasklet(f)()
t.run()
def quit():
    sys.exit(6)
stackless.tasklet(quit)()
stackless.run()
''')
sys.path.insert(0, folder)
sys.dont_write_bytecode = True
try:
    import exits_while_imported
finally:
    os.remove(path)
    os.rmdir(folder)
