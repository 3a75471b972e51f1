import stackless
c = stackless.channel()
def recv(): print("worker got", c.receive())
t = stackless.tasklet(recv)(); t.run()
me = stackless.current; me.block_trap = True; c.close()
print(c.closing, c.closed)
c.preference = 1; c.send("x"); print(c.closed)          # partner waiting: allowed
for f in (c.receive, lambda: c.send(1), lambda: next(c)):
    try: f()
    except Exception as e: print(type(e).__name__, e)
me.block_trap = False
try: c.receive()
except ValueError as e: print(e)
stackless.run()
