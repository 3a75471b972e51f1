"""The sieve of Eratosthenes as a pipeline that grows: one tasklet for each prime number found.

Each tasklet drops the multiples of its own prime and hands the rest on.  The first number that reaches the end of the
chain is the next prime.
"""

import gossamer


def numbers(out):
    n = 2
    while True:
        out.send(n)
        n += 1


def without_multiples(prime, source, out):
    for n in source:
        if n % prime:
            out.send(n)


source = gossamer.channel()
stages = [gossamer.spawn(numbers, source, name="numbers")]
primes = []
while len(primes) < 100:
    prime = source.receive()
    primes.append(prime)
    rest = gossamer.channel()
    stages.append(gossamer.spawn(without_multiples, prime, source, rest, name=f"no multiples of {prime}"))
    source = rest

print("first:", *primes[:15])
print("the 100th prime number is", primes[-1])
print("tasklets in the chain:", len(stages))
for stage in stages:
    stage.kill()
print("alive after kill:", sum(stage.alive for stage in stages))
