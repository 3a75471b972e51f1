"""Two tasklets throw a ball to each other over two channels."""

import gossamer


def player(name, inbox, outbox):
    for ball in inbox:
        print(f"{name} has the ball: {ball}")
        if ball == 6:
            # The other one waits for a ball that will not come; this ends its loop.
            outbox.send_exception(StopIteration)
            return
        outbox.send(ball + 1)


ping, pong = gossamer.channel(), gossamer.channel()
left = gossamer.spawn(player, "left", ping, pong, name="left")
right = gossamer.spawn(player, "right", pong, ping, name="right")
ping.send(1)
gossamer.joinall([left, right])
print("both have ended:", not left.alive and not right.alive)
