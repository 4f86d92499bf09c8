package demo

// story has several paragraphs and runes of one to four bytes.
const story = `The harbour of Saint-Séverin had one lighthouse and two keepers, and the keepers had not agreed on anything since spring. Zoë wanted the lamp to turn quickly, so that every boat would see it often. Björn wanted it slow, so that every boat would see it well.

One evening in November a fog came in, so thick that the gulls walked home. 🌫️ Out on the water a small freighter, the 海燕 (the chart office said it meant “storm petrel”), was feeling her way along the coast with a cargo of oranges and a very tired captain.

Zoë ran up the stairs and let the lamp race. The captain saw flicker, flicker, flicker and took it for a swarm of fishing boats. He turned away. Björn ran up after her and slowed it down. The captain saw one long glow and took it for the moon. He turned back. 🌕

“Nobody out there wants quick or slow,” said the apprentice, who was nine and was called Ñusta. “They want to know who you are.” She put her hand on the switch: two short, one long, a pause. Two short, one long, a pause. It was what was printed beside their name in the big blue book.

On the 海燕 the captain turned a page, ran a finger down a column, and laughed aloud. He knew where he was to within a hundred mètres. By midnight the ship lay at the quay, and the whole town smelled of oranges. 🍊

The keepers never did agree on anything else. But from that night on, whenever two people in Saint-Séverin shouted at each other across a table, a third would tap on the wood: two short, one long, a pause. And then they would start again, and say first who they were. ✨`
