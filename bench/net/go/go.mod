module netserver

go 1.19
