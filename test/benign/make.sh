# A small project in C is configured, built, tested and installed.
cat >main.c <<'C'
#include <stdio.h>
int value(void);
int main(void) { return printf("%d\n", value()) < 0; }
C
echo 'int value(void) { return 7; }' >value.c
printf 'CFLAGS = -O2 -fPIC\nall: program libvalue.so\nprogram: main.o value.o\n\t$(CC) -o $@ $^\nlibvalue.so: value.o\n\t$(CC) -shared -o $@ $^\ncheck: all\n\t./program\ninstall: all\n\tmkdir -p $(DESTDIR)/opt/benign\n\tcp program libvalue.so $(DESTDIR)/opt/benign\n' >Makefile
make -j2 all
make check
make install DESTDIR=/home/builder/root
