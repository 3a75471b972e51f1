import stackless
log = []
def leaf(n): log.append(n)
def inner():
    log.append("inner start"); stackless.tasklet(leaf)("new")
    log.append(("inner run", stackless.run())); log.append("inner end")
stackless.tasklet(inner)(); stackless.tasklet(leaf)("sibling")
print("outer run", stackless.run()); print(log)
