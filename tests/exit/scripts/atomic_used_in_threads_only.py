# out: True
# out: the end of main
# quiet
"""The only thread that ever was atomic has ended; the ticker must be gone before the GIL is."""
import threading


def body():
    import gossamer
    with gossamer.atomic():
        print(gossamer.current.atomic)


thread = threading.Thread(target=body)
thread.start()
thread.join()
print("the end of main")
