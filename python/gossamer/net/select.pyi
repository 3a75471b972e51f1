from select import *
from select import error as error
