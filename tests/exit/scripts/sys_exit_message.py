# exit: 1
# err: said by a tasklet
"""sys.exit() with a text, from a tasklet that main waits for in a channel."""
import sys

import stackless

stackless.tasklet(sys.exit)("said by a tasklet")
stackless.channel().receive()
