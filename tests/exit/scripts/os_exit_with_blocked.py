# exit: 5
# quiet
"""os._exit() in main with tasklets in every state."""
import os

import stackless

c = stackless.channel()
for f in (c.receive, stackless.schedule_remove, stackless.schedule):
    stackless.tasklet(f)()
stackless.schedule()
os._exit(5)
