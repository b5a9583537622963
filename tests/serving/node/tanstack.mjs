// @tanstack/ai-openai, unmodified: node tanstack.mjs BASE_URL
import assert from 'node:assert/strict'
import { generateVideo, getVideoJobStatus } from '@tanstack/ai'
import { createOpenaiVideo } from '@tanstack/ai-openai'

const adapter = createOpenaiVideo('sora-2', 'anything', { baseURL: process.argv[2] })
const { jobId } = await generateVideo({ adapter, prompt: 'a red ball falls', size: '1280x720', duration: 4 })
let job
do {
  await new Promise((resolve) => setTimeout(resolve, 500))
  job = await getVideoJobStatus({ adapter, jobId })
} while (['pending', 'processing'].includes(job.status))
assert.equal(job.status, 'completed', JSON.stringify(job))
assert.match(job.url, /^data:video\/mp4;base64,/)
console.log('a video was made')
