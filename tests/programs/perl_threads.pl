# Perl's threads, each with a copy of the interpreter: data, locks, queues, sockets, children. Prints what came of it.
use strict;
use warnings;
use threads;
use threads::shared;
use IO::Socket::INET;
use POSIX ();
use Thread::Queue;
use Thread::Semaphore;

$| = 1;
my $count = 20;
my $sum : shared = 0;
my $here : shared = 0;
my $go : shared = 0;

my @adders = map {
  my $number = $_;
  threads->create(sub {
    { lock($here); $here++; cond_signal($here) }
    lock($sum);
    cond_wait($sum) until $go;
    $sum += $number;
    return $number;
  });
} 1 .. $count;
{ lock($here); cond_wait($here) until $here == $count }
{ lock($sum); $go = 1; cond_broadcast($sum) }
my $returned = 0;
$returned += $_->join for @adders;
print "shared $sum $returned\n";

my $queue = Thread::Queue->new;
my $done = Thread::Semaphore->new(0);
my @workers = map {
  threads->create(sub {
    my $worked = 0;
    while (defined(my $job = $queue->dequeue)) { $worked += $job; $done->up }
    return $worked;
  });
} 1 .. 4;
$queue->enqueue(1 .. 100);
$done->down for 1 .. 100;
$queue->end;
my $worked = 0;
$worked += $_->join for @workers;
print "queue $worked\n";

my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 64) or die;
my @clients = map {
  my $number = $_;
  threads->create(sub {
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $server->sockport) or die;
    print $socket "line $number\n";
    $socket->shutdown(1);
    my $answer = <$socket>;
    return $answer eq "LINE $number\n" ? 1 : 0;
  });
} 1 .. 10;
for (1 .. 10) {
  my $client = $server->accept;
  threads->create(sub { while (my $line = <$client>) { print $client uc $line } })->detach;
  close $client;
}
my $right = 0;
$right += $_->join for @clients;
print "sockets $right\n";

my @children = map {
  my $code = $_;
  threads->create(sub {
    my $pid = fork;
    POSIX::_exit($code) if !$pid;
    waitpid $pid, 0;
    return $? >> 8;
  });
} 5, 6;
print "forked ", join(" ", map { $_->join } @children), "\n";
my @commands = map { my $word = $_; threads->create(sub { my $said = `echo $word`; chomp $said; return $said }) } qw(a b);
print "commands ", join(" ", map { $_->join } @commands), "\n";

my $ready = Thread::Semaphore->new(0);
my $stopped = threads->create(sub {
  local $SIG{KILL} = sub { threads->exit };
  $ready->up;
  select undef, undef, undef, 0.01 while 1;
});
$ready->down;
$stopped->kill("KILL");
$stopped->join;
print "ended\n";
