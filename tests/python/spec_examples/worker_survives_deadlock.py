import stackless
ch = stackless.channel()
def worker():
    try: stackless.channel().receive()
    except RuntimeError: ch.send("rescued main")
stackless.tasklet(worker)()
print(ch.receive())
