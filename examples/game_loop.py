"""A game loop as it was written for Stackless Python; it uses module `stackless` only.

Each creature is a tasklet with a plain loop; the world's clock wakes those whose time has come.
"""

import heapq

import stackless


class World:
    def __init__(self):
        self.time = 0
        self.sleepers = []
        self.order = 0

    def sleep(self, ticks):
        channel = stackless.channel()
        self.order += 1
        heapq.heappush(self.sleepers, (self.time + ticks, self.order, channel))
        channel.receive()

    def run(self, until):
        while self.time < until:
            self.time += 1
            while self.sleepers and self.sleepers[0][0] <= self.time:
                channel = heapq.heappop(self.sleepers)[2]
                if channel.balance < 0:  # a creature that fell waits no more
                    channel.send(None)
            stackless.run()


world = World()


class Creature:
    def __init__(self, name, pace, strength, life):
        self.name, self.pace, self.strength, self.life = name, pace, strength, life
        self.tasklet = stackless.tasklet(self.live)()

    def fight(self, other):
        self.enemy = other

    def live(self):
        try:
            while True:
                world.sleep(self.pace)
                self.enemy.hit(self.strength, self)
        except TaskletExit:
            if self.life <= 0:  # not at the end of the program, which ends all tasklets
                print(f"[{world.time:2}] {self.name} falls")
            raise

    def hit(self, strength, by):
        if self.life <= 0:
            return
        self.life -= strength
        print(f"[{world.time:2}] {by.name} hits {self.name}: {max(self.life, 0)} left")
        if self.life <= 0:
            self.tasklet.kill()


troll = Creature("the troll", pace=5, strength=9, life=20)
knight = Creature("the knight", pace=2, strength=4, life=25)
troll.fight(knight)
knight.fight(troll)
world.run(until=20)
print("alive:", ", ".join(c.name for c in (troll, knight) if c.tasklet.alive))
