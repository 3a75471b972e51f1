import stackless
waiting = []
def wait():
    waiting.append(stackless.current)
    return stackless.schedule_remove(None)
def user(): print("got", wait())
stackless.tasklet(user)(); stackless.run()
t = waiting.pop(); t.tempval = 42; t.insert(); stackless.run()
