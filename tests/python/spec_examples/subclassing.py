import stackless
class Named(stackless.tasklet):
    def __new__(cls, func, name): return stackless.tasklet.__new__(cls)
    def __init__(self, func, name):
        super().__init__(func); self.name = name
    def __repr__(self): return "<%s>" % self.name
t = Named(lambda: print(stackless.current), "bob")()
stackless.run()
class Chan(stackless.channel):
    def __init__(self, label): self.label = label
print(Chan("x").label, isinstance(Chan("y"), stackless.channel))
