import stackless
def bad(): raise ValueError("bad")
def starter():
    t = stackless.tasklet(bad)()
    try: t.run()
    except ValueError: print("never reached")
    print("starter continues")
def supervisor():
    stackless.tasklet(starter)()
    try: stackless.run()
    except ValueError as e: print("supervisor got", e)
    print("then", stackless.run())
stackless.tasklet(supervisor)(); print(stackless.run())
