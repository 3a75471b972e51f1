import stackless
c = stackless.channel()
def sender(): c.send("original"); print("sender continues")
t = stackless.tasklet(sender)(); t.run()
print(c.queue is t, t.blocked, t.scheduled, t._channel is c, t.next, t.tempval)
t.tempval = "forged"; print(c.receive()); stackless.run()
