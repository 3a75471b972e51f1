import stackless
def trial(op, pref, all_=0):
    log, c = [], stackless.channel()
    c.preference = pref; c.schedule_all = all_
    def T():
        c.receive() if op == "send" else c.send(1)
        log.append("T")
    def S():
        c.send(1) if op == "send" else c.receive()
        log.append("S")
    def w(n): log.append(n)
    t = stackless.tasklet(T)(); t.run()
    stackless.tasklet(S)(); stackless.tasklet(w)("A"); stackless.tasklet(w)("B")
    stackless.run()
    return "".join(log)
for op in ("send", "receive"):
    print(op, [trial(op, p) for p in (-1, 0, 1)], trial(op, -1, 1))
