import stackless
log = []
def f(n):
    try: log.append((n, stackless.schedule_remove("value")))
    except Exception as e: log.append((n, repr(e)))
a, b = [stackless.tasklet(f)(n) for n in "ab"]
stackless.run()
a.insert(); a.throw(KeyError, "first", None, True); a.throw(ValueError, "second", pending=True)
b.insert(); b.tempval = "changed"
print(a.scheduled, type(a.tempval).__name__, b.tempval)
stackless.run(); print(log)
