// A library with thread-local data, built twice: with the general dynamic and with the initial-exec model.
namespace {
thread_local int number = 42;
thread_local long zeroes[4];
thread_local const char* text = "text";
}  // namespace

extern "C" int* tls_number() { return &number; }
extern "C" bool tls_is_fresh() { return number == 42 && zeroes[0] == 0 && zeroes[3] == 0 && text[0] == 't'; }
extern "C" void tls_use(int value) {
  number = value;
  zeroes[0] = zeroes[3] = value;
}
