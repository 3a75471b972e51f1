import stackless
ch = stackless.channel()
def attempt(label, f):
    try: f()
    except RuntimeError as e: print(label, "->", e, "| balance", ch.balance)
attempt("alone", ch.receive)
stackless.tasklet(lambda: None)(); attempt("receive, other ends", ch.receive)
stackless.tasklet(lambda: None)(); attempt("send, other ends", lambda: ch.send(1))
def blocks():
    try: stackless.channel().receive()
    except RuntimeError as e: print("  in worker:", e); raise
stackless.tasklet(blocks)(); attempt("receive, other blocks", ch.receive)
