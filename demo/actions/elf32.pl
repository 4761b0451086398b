# Writes a program for 32-bit x86 that opens /etc/passwd by the system call numbers of i386 (int 0x80) and ends.
use strict;
use warnings;
my ($file) = @ARGV;
my $base = 0x08048000;
my $path = "/etc/passwd\0";
my $start = 52 + 32;
# mov eax, 5 (open); mov ebx, path; xor ecx, ecx; int 0x80; mov eax, 1 (exit); xor ebx, ebx; int 0x80
my $length = 5 + 5 + 2 + 2 + 5 + 2 + 2;
my $code = pack 'C V C V C2 C2 C V C2 C2', 0xb8, 5, 0xbb, $base + $start + $length, 0x31, 0xc9, 0xcd, 0x80, 0xb8, 1,
  0x31, 0xdb, 0xcd, 0x80;
my $size = $start + $length + length $path;
my $ident = "\x7fELF" . pack 'C12', 1, 1, 1;
my $header = $ident . pack 'v2 V5 v6', 2, 3, 1, $base + $start, 52, 0, 0, 52, 32, 1, 0, 0, 0;
my $segment = pack 'V8', 1, 0, $base, $base, $size, $size, 5, 0x1000;
open my $out, '>:raw', $file or die $!;
print $out $header, $segment, $code, $path;
close $out or die $!;
chmod 0755, $file;
