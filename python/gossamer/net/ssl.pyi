from ssl import *
from ssl import SSLContext as SSLContext

def use_tasklets(context: SSLContext) -> SSLContext: ...
