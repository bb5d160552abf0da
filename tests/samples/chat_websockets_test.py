#!/usr/bin/env python3
"""The chat server gets along with a client that was not written for it: python3-websockets, as Debian ships it."""
import asyncio

import websockets

import sample
from sample import unblocked

CLIENTS = 50
MESSAGES = 10  # From each. All of it fits in a queue, so no client is too slow, however busy the machine is.


class ChatServer(sample.SampleTest):
    async def talk(self, client, index):
        """Says some things, one after another; returns all that was heard until everybody has said everything."""
        heard = []
        for number in range(MESSAGES):
            await client.send(f"{index} says {number} " + "ž" * (index * number))
        while len(heard) < CLIENTS * MESSAGES:
            heard.append(await client.recv())
        await asyncio.wait_for(await client.ping(b"there?"), unblocked.PATIENCE_SECONDS)
        await client.close(1000, "enough")
        return heard, client.close_code, client.close_reason

    async def join(self, port):
        """A client that hears whatever is said from now on: the server takes it in before it answers its ping."""
        client = await websockets.connect(f"ws://127.0.0.1:{port}/", ping_interval=None, max_queue=None)
        await asyncio.wait_for(await client.ping(b"in?"), unblocked.PATIENCE_SECONDS)
        return client

    async def everybody(self, port):
        clients = [await self.join(port) for _ in range(CLIENTS)]
        talks = (self.talk(client, index) for index, client in enumerate(clients))
        return await asyncio.wait_for(asyncio.gather(*talks), unblocked.PATIENCE_SECONDS)

    def test_50_clients_talk_all_at_once(self):
        chat = self.server("chat-server", 0)
        results = asyncio.run(self.everybody(chat.port))
        said = sorted(f"{index} says {number} " + "ž" * (index * number)
                      for index in range(CLIENTS) for number in range(MESSAGES))
        self.assertTrue(sorted(results[0][0]) == said, "the first client did not hear what was said")
        for heard, code, reason in results:
            self.assertTrue(heard == results[0][0], "two clients heard different things")
            self.assertEqual((code, reason), (1000, "enough"))
        self.assertEqual(chat.end(), 0, chat.describe())
        self.assert_threads(chat, CLIENTS)
        self.assert_green(chat, CLIENTS)


if __name__ == "__main__":
    sample.main()
