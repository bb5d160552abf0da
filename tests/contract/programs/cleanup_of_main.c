// main pushes cleanup handlers in C and is ended by pthread_exit ("exit") or by a thread that cancels it ("cancel").
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_t main_thread;

static void say(void* text) { printf("%s\n", (const char*)text); }

static void* cancel_and_join_main(void* cancels) {
  void* result;
  if (cancels) pthread_cancel(main_thread);
  pthread_join(main_thread, &result);
  printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : (const char*)result);
  return NULL;
}

int main(int count, char** arguments) {
  pthread_t thread;
  int cancels = count > 1 && strcmp(arguments[1], "cancel") == 0;
  main_thread = pthread_self();
  pthread_create(&thread, NULL, cancel_and_join_main, cancels ? arguments : NULL);
  pthread_cleanup_push(say, "outer");
  pthread_cleanup_push(say, "inner");
  while (cancels) pause();
  pthread_exit("result");
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return 1;
}
