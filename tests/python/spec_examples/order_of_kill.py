import stackless
log = []
def victim():
    try: stackless.schedule()
    except TaskletExit: log.append("exit"); raise
def w(n): log.append(n)
v = stackless.tasklet(victim)(); v.run()
b = stackless.tasklet(w)("B")
print(v.kill(), log, v.alive)        # B follows the victim in the ring
v = stackless.tasklet(victim)(); v.run(); log.clear()
a = stackless.tasklet(w)("A")
v.remove(); print(v.kill(), log)     # out of the ring first: only the victim runs
stackless.run()
