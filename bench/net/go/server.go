// The server of bench/net.py in Go: a goroutine a connection.
package main

import (
	"fmt"
	"net"
	"os"
)

var answer = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

func serve(connection net.Conn) {
	defer connection.Close()
	bytes := make([]byte, 4096)
	for {
		if _, err := connection.Read(bytes); err != nil {
			return
		}
		if _, err := connection.Write(answer); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(connection)
	}
}
