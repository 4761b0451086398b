# Opens a file through io_uring, without a call of the open family. Memory of the rings, which perl cannot write, is
# written by reading from a pipe into it.
use strict;
use warnings;
my ($path) = @ARGV;
my ($SYS_read, $SYS_write, $SYS_mmap, $SYS_setup, $SYS_enter) = (0, 1, 9, 425, 426);
pipe my $in, my $out or die $!;
sub poke {
  my ($address, $bytes) = @_;
  syswrite $out, $bytes;
  syscall($SYS_read, fileno $in, $address, length $bytes) == length $bytes or die $!;
}
sub peek {
  my ($address) = @_;
  syscall($SYS_write, fileno $out, $address, 4) == 4 or die $!;
  sysread $in, my $bytes, 4;
  return unpack 'V', $bytes;
}
# struct io_uring_params: 10 words, then the offsets of the submission ring (head, tail, mask, …, array).
my $params = "\0" x 120;
my $ring = syscall($SYS_setup, 1, $params);
die $! if $ring < 0;
my ($tail, $array) = (unpack 'V*', $params)[11, 16];
my ($PROT_READ_WRITE, $MAP_SHARED, $OFFSET_RING, $OFFSET_ENTRIES) = (3, 1, 0, 0x10000000);
my $rings = syscall($SYS_mmap, 0, 4096, $PROT_READ_WRITE, $MAP_SHARED, $ring, $OFFSET_RING);
my $entries = syscall($SYS_mmap, 0, 4096, $PROT_READ_WRITE, $MAP_SHARED, $ring, $OFFSET_ENTRIES);
my $name = "$path\0";
# struct io_uring_sqe: opcode 18 (IORING_OP_OPENAT), the current directory, the address of the name.
poke($entries, pack 'C C v l q q V V q x24', 18, 0, 0, -100, 0, unpack('Q', pack 'p', $name), 0, 0, 0);
poke($rings + $array, pack 'V', 0);
poke($rings + $tail, pack 'V', peek($rings + $tail) + 1);
syscall($SYS_enter, $ring, 1, 1, 1, 0, 0) == 1 or die $!;
