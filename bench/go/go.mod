module gossamer.bench/go

go 1.20
