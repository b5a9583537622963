// Every method of `videos` of a Node SDK, unmodified: node videos.mjs PACKAGE BASE_URL
import assert from 'node:assert/strict'

const [, , name, baseURL] = process.argv
const { default: OpenAI, toFile, NotFoundError, BadRequestError } = await import(name)
const client = new OpenAI({ apiKey: 'anything', baseURL, maxRetries: 0 })
const small = { size: '64x64', seconds: '0.5', seed: 3 }

async function finished(video) {
  while (['queued', 'in_progress'].includes(video.status)) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    video = await client.videos.retrieve(video.id)
  }
  assert.equal(video.status, 'completed', JSON.stringify(video.error))
  return video
}

const video = await finished(await client.videos.create({ prompt: 'a red ball falls', ...small }))
assert.equal(video.object, 'video')
assert.equal(video.seconds, '0.5')

const ids = []
for await (const each of client.videos.list({ limit: 1 })) {
  ids.push(each.id)
  if (ids.length === 2) break
}
assert.equal(ids[0], video.id)

const mp4 = Buffer.from(await (await client.videos.downloadContent(video.id)).arrayBuffer())
assert.equal(mp4.subarray(4, 8).toString(), 'ftyp')
const webp = await client.videos.downloadContent(video.id, { variant: 'thumbnail' })
assert.equal(webp.headers.get('content-type'), 'image/webp')

const clip = () => toFile(mp4, 'clip.mp4', { type: 'video/mp4' })
await finished(await client.videos.remix(video.id, { prompt: 'a green ball falls' }))
await finished(await client.videos.edit({ prompt: 'a blue ball falls', video: { id: video.id } }))
await finished(await client.videos.edit({ prompt: 'a blue ball falls', video: await clip() }))
const longer = await client.videos.extend({ prompt: 'it rolls', seconds: '0.5', video: { id: video.id } })
assert.equal((await finished(longer)).seconds, '1')

const picture = `data:image/webp;base64,${Buffer.from(await webp.arrayBuffer()).toString('base64')}`
const begun = { prompt: 'a red ball falls', input_reference: { image_url: picture }, ...small }
await finished(await client.videos.create(begun))

const character = await client.videos.createCharacter({ name: 'Bobby', video: await clip() })
assert.equal((await client.videos.getCharacter(character.id)).name, 'Bobby')
await finished(await client.videos.create({ prompt: 'Bobby bounces', characters: [{ id: character.id }], ...small }))

assert.deepEqual(await client.videos.delete(video.id), { id: video.id, object: 'video.deleted', deleted: true })
await assert.rejects(client.videos.retrieve(video.id), NotFoundError)
await assert.rejects(client.videos.create({ prompt: '' }), BadRequestError)
console.log('all methods work')
