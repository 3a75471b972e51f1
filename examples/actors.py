"""Actors: objects with a tasklet and a mailbox each, which share nothing and send each other messages."""

import gossamer


class Actor:
    def __init__(self, name):
        self.name = name
        # A mailbox with room, so that nobody has to wait until a message is read.
        self.mailbox = gossamer.BufferedChannel(100)
        self.tasklet = gossamer.spawn(self.live, name=name)

    def tell(self, method, *args):
        self.mailbox.send((method, args))

    def ask(self, method, *args):
        """Send a message and wait for the answer."""
        answer = gossamer.channel()
        self.mailbox.send((method, (*args, answer)))
        return answer.receive()

    def live(self):
        for method, args in self.mailbox:
            getattr(self, method)(*args)

    def stop(self):
        # The loop ends when the channel is closed and empty.
        self.mailbox.send_exception(StopIteration)
        self.tasklet.join()


class Account(Actor):
    def __init__(self, name, money):
        super().__init__(name)
        self.money = money

    def deposit(self, amount):
        self.money += amount

    def transfer(self, amount, to, answer):
        # No other message is handled meanwhile, so no lock is needed.
        if amount > self.money:
            answer.send(False)
            return
        self.money -= amount
        to.tell("deposit", amount)
        answer.send(True)

    def balance(self, answer):
        answer.send(self.money)


ada, bob = Account("ada", 100), Account("bob", 50)
print("ada pays bob 70:", ada.ask("transfer", 70, bob))
print("ada pays bob 70 again:", ada.ask("transfer", 70, bob))
print("bob pays ada 10:", bob.ask("transfer", 10, ada))
print("ada has", ada.ask("balance"), "and bob has", bob.ask("balance"))
for account in (ada, bob):
    account.stop()
print("both have stopped:", not ada.tasklet.alive and not bob.tasklet.alive)
