import stackless
names, log = {stackless.main: "M"}, []
def cb(p, n): log.append(names.get(p) + ">" + names.get(n))
def f(): pass
def g(): stackless.schedule()
for n, fn in (("A", f), ("B", g)): names[stackless.tasklet(fn)()] = n
stackless.set_schedule_callback(cb); stackless.run(); stackless.set_schedule_callback(None)
print(log)
