# out: end of main
# out: 0 0
# out: 0 1
# out: 1 0
# out: 1 1
# out: 1 2
# out: 2 0
# out: 2 1
# out: 2 2
# out: 2 3
# quiet
"""Tasklets that wait on segments of stack are killed, and unwound over all of them."""
import gossamer

gossamer.set_spill(0)
for_ever = gossamer.channel()  # known here, or a collection that happens to come would end them earlier


def level(n, name, depth):
    try:
        if n:
            sorted((n - 1,), key=lambda m: level(m, name, depth))
        else:
            for_ever.receive()
    finally:
        print(name, n, flush=True)
    return 0


for name in range(3):
    gossamer.spawn(level, name + 1, name, name + 1)
gossamer.run()
print("end of main", flush=True)
