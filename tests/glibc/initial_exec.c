// A library whose thread-local variables have a fixed place in every thread block.
#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))

__thread int answer INITIAL_EXEC = 42;
__thread int nothing INITIAL_EXEC;
__thread int written_by_constructor INITIAL_EXEC = 7;

__attribute__((constructor)) static void construct(void) { written_by_constructor = 8; }

int* answer_address(void) { return &answer; }
int* nothing_address(void) { return &nothing; }
int* written_by_constructor_address(void) { return &written_by_constructor; }
