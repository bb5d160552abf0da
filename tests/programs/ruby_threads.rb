# Ruby's threads in every way in which they wait: on each other, on sockets, on pipes, on children. Prints what came of it.
require "socket"
require "timeout"

THREADS = 100

queue = Queue.new
lock = Mutex.new
changed = ConditionVariable.new
sum = 0
all_here = false

consumers = THREADS.times.map do
  Thread.new do
    value = queue.pop
    lock.synchronize { changed.wait(lock) until all_here }
    lock.synchronize { sum += value }
    Thread.current[:value] = value
  end
end
Thread.pass until queue.num_waiting == THREADS
THREADS.times { |i| queue << i }
lock.synchronize do
  all_here = true
  changed.broadcast
end
consumers.each(&:join)
puts "queue #{sum} #{consumers.sum { |thread| thread[:value] }}"

server = TCPServer.new("127.0.0.1", 0)
acceptor = Thread.new do
  THREADS.times.map { Thread.new(server.accept) { |client| client.each_line { |line| client.write(line.upcase) }; client.close } }.each(&:join)
end
here = Queue.new
go = Queue.new
clients = THREADS.times.map do |i|
  Thread.new do
    TCPSocket.open("127.0.0.1", server.addr[1]) do |socket|
      here << i
      go.pop
      socket.puts("line #{i}")
      socket.close_write
      socket.read
    end
  end
end
THREADS.times { here.pop }
THREADS.times { |i| go << i }
puts "sockets #{clients.each_with_index.count { |thread, i| thread.value == "LINE #{i}\n" }}"
acceptor.join

begin
  Timeout.timeout(0.05) { sleep }
rescue Timeout::Error
  puts "timeout"
end

sleeper = Thread.new { sleep }
Thread.pass until sleeper.stop?
sleeper.kill
puts "killed #{sleeper.join(10) == sleeper}"

children = 4.times.map { |i| Thread.new { Process.wait2(fork { exit!(Thread.new { 10 + i }.value) })[1].exitstatus } }
puts "forked #{children.map(&:value).join(" ")}"
puts "commands #{4.times.map { |i| Thread.new { `echo #{i}`.to_i } }.sum(&:value)}"

trap("USR1") { puts "signal" }
Process.kill("USR1", Process.pid)
sleep 0.01
at_exit { puts "ended" }
