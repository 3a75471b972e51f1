import stackless, contextvars
v = contextvars.ContextVar("v", default=0)
def f(x): v.set(x)
stackless.tasklet(f)(1); stackless.run(); print(v.get())          # shared with main
t = stackless.tasklet(f).set_context(contextvars.copy_context())
t(2); stackless.run(); print(v.get(), t.context_run(v.get))
