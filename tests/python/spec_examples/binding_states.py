import stackless
def show(t): return (t.alive, t.scheduled, t.blocked, t.paused, t.tempval)
def f(*a): pass
t = stackless.tasklet(); print(show(t))
t.bind(f);        print(show(t)[:4], t.tempval is f)
t.bind(f, (1,));  print(show(t))
t.insert();       print(show(t))
t.remove();       print(show(t))
t.bind(None);     print(show(t))
t.bind(f)(1);     print(show(t)); stackless.run(); print(show(t))
