import stackless
c = stackless.channel()
def consumer(): print([x for x in c], "done")
def producer():
    print(c.send_sequence("abc")); c.send_exception(StopIteration)
stackless.tasklet(consumer)(); stackless.tasklet(producer)(); stackless.run()
k = stackless.tasklet(consumer)(); k.run(); c.close(); stackless.run()
print(k.blocked, c.balance)                              # close() did not wake it
c.send_exception(StopIteration)
