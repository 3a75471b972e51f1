"""What a deadlock looks like: who waits for whom, and where.

Ada waits for the plate before she gives away the cup; Bob does it the other way round.
"""

import gossamer

cup, plate, done = gossamer.channel(), gossamer.channel(), gossamer.channel()


def ada():
    plate.receive()
    cup.send("a cup")


def bob():
    cup.receive()
    plate.send("a plate")


def main():
    gossamer.spawn(ada, name="ada")
    gossamer.spawn(bob, name="bob")
    done.receive()


try:
    main()
except gossamer.DeadlockError as error:
    print(error)
    print(error.graph)
