package main

import (
	"runtime"
	"sync"
)

func switching(units int) func(int) {
	return func(n int) {
		var done sync.WaitGroup
		done.Add(units)
		for i := 0; i < units; i++ {
			go func() {
				for j := 0; j < n; j++ {
					runtime.Gosched()
				}
				done.Done()
			}()
		}
		done.Wait()
	}
}

func oneWay() func(int) {
	ch := make(chan int)
	return func(n int) {
		var done sync.WaitGroup
		done.Add(2)
		go func() {
			for i := 0; i < n; i++ {
				<-ch
			}
			done.Done()
		}()
		go func() {
			for i := 0; i < n; i++ {
				ch <- i
			}
			done.Done()
		}()
		done.Wait()
	}
}

func pingPong() func(int) {
	there, back := make(chan int), make(chan int)
	return func(n int) {
		var done sync.WaitGroup
		done.Add(2)
		go func() {
			for i := 0; i < n; i++ {
				back <- <-there
			}
			done.Done()
		}()
		go func() {
			for i := 0; i < n; i++ {
				there <- i
				<-back
			}
			done.Done()
		}()
		done.Wait()
	}
}

func spawnBatches(batch int) func(int) {
	return func(n int) {
		for i := 0; i < n; i++ {
			spawnAll(batch)
		}
	}
}

func spawnAll(n int) {
	var done sync.WaitGroup
	done.Add(n)
	for i := 0; i < n; i++ {
		go done.Done()
	}
	done.Wait()
}

func ring(units int) func(int) {
	channels := make([]chan int, units)
	for i := range channels {
		channels[i] = make(chan int)
	}
	for i := 1; i < units; i++ {
		inbox, outbox := channels[i-1], channels[i]
		go func() {
			for {
				outbox <- <-inbox
			}
		}()
	}
	return func(laps int) {
		done := make(chan bool)
		go func() {
			for lap := 0; lap < laps; lap++ {
				channels[0] <- lap
				if <-channels[units-1] != lap {
					panic("the ring altered a token")
				}
			}
			done <- true
		}()
		<-done
	}
}

//go:noinline
func at1(ch chan int) { <-ch }

//go:noinline
func at2(ch chan int) { at1(ch) }

//go:noinline
func at3(ch chan int) { at2(ch) }

//go:noinline
func at4(ch chan int) { at3(ch) }

//go:noinline
func at5(ch chan int) { at4(ch) }

// blocked -> create and wake; Go has no way to kill a goroutine.
func blocked(n, depth int) (func(), func()) {
	var started, done sync.WaitGroup
	ch := make(chan int)
	function := at1
	if depth == 5 {
		function = at5
	}
	create := func() {
		done.Add(n)
		for i := 0; i < n; i += 1000 {
			batch := min(1000, n-i)
			started.Add(batch)
			for j := 0; j < batch; j++ {
				go func() {
					started.Done()
					function(ch)
					done.Done()
				}()
			}
			started.Wait()
			runtime.Gosched() // the last of the batch goes from started into its receive
		}
	}
	wake := func() {
		for i := 0; i < n; i++ {
			ch <- i
		}
		done.Wait()
	}
	return create, wake
}

func min(a, b int) int { // Go has it built in from 1.21 on
	if a < b {
		return a
	}
	return b
}
