# out: end of main
"""Objects whose __del__ uses tasklets while the interpreter is being torn down."""
import sys

import stackless


class Late:
    def __init__(self):
        self.stackless = stackless

    def __del__(self):
        try:
            c = self.stackless.channel()
            self.stackless.tasklet(c.send)(1)
            c.receive()
            self.stackless.tasklet(self.stackless.schedule_remove)(None).run()
            self.stackless.run()
        except BaseException:
            pass


sys.late_one = Late()
late_two = Late()
cycle = [Late()]
cycle.append(cycle)
print("end of main", flush=True)
