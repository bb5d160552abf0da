import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/** An echo server with a Java thread for each socket. Prints its port, and when asked to end what it has echoed. */
public class ThreadPerSocket {
  private static final Object lock = new Object();
  private static long echoed;

  public static void main(String[] arguments) throws IOException {
    ServerSocket server = new ServerSocket(0, 1024, InetAddress.getLoopbackAddress());
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      synchronized (lock) {
        System.out.println("echoed " + echoed);
      }
    }));
    System.out.println("listening on " + server.getLocalPort());
    AtomicInteger names = new AtomicInteger();
    while (true) {
      Socket client = server.accept();
      new Thread(() -> serve(client), "client-" + names.getAndIncrement()).start();
    }
  }

  /** Takes a new buffer for each read, so that the collector has to stop the threads now and then. */
  private static void serve(Socket client) {
    try (client) {
      while (true) {
        byte[] buffer = new byte[16384];
        int length = client.getInputStream().read(buffer);
        if (length < 0) {
          return;
        }
        synchronized (lock) {
          echoed += length;
        }
        client.getOutputStream().write(buffer, 0, length);
      }
    } catch (IOException error) {
      System.out.println("failed: " + error);
    }
  }
}
