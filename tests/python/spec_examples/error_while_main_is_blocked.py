import stackless
def bad(): raise KeyError("boom")
ch = stackless.channel()
stackless.tasklet(bad)(); stackless.tasklet(print)("not lost")
try: ch.receive()                       # main is blocked when the error occurs
except KeyError as e: print("receive raised", e, ch.balance, stackless.runcount)
stackless.run()
