from selectors import *
