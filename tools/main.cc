// The `unblock` command.

#include <exception>

#include "tools/command_line.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/launch.h"

using namespace unblock::tools;

int main(int count, char** arguments) {
  try {
    const Command* command = count > 1 ? find_command(arguments[1]) : nullptr;
    if (command != nullptr) return command->run({arguments + 2, arguments + count});
    launch(parse_command_line(count, arguments));
  } catch (const Failure& failure) {
    say(failure.line);
    return failure.exit_code;
  } catch (const std::exception& error) {
    say(error.what());
    return exit_own_failure;
  }
}
