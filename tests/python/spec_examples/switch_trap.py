import stackless
stackless.switch_trap(1)
print(stackless.schedule(5))                  # alone: no switch, no error
t = stackless.tasklet(print)("ran")
for op in (stackless.schedule, stackless.run, t.run, t.switch, t.kill,
           stackless.channel().receive):
    try: op()
    except RuntimeError as e: print(e, t.alive, stackless.runcount)
print(t.throw(TaskletExit, pending=True), stackless.switch_trap(-1))
stackless.run()
