import { expect, test } from 'vitest';
import { describeImage, parseImageName } from './image.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

test.each([
  ['nginx', 'nginx', 'latest', ''],
  ['nginx:1.27', 'nginx', '1.27', ''],
  ['docker.io/library/nginx:1.27', 'docker.io/library/nginx', '1.27', ''],
  ['registry.test:5000/team/app', 'registry.test:5000/team/app', 'latest', ''],
  ['registry.test:5000/team/app:v1', 'registry.test:5000/team/app', 'v1', ''],
  [`registry.test:5000/team/app:v1@${DIGEST}`, 'registry.test:5000/team/app', 'v1', DIGEST],
  [`app@${DIGEST}`, 'app', '', DIGEST],
  [DIGEST, '', '', ''],
  ['ab'.repeat(32), '', '', ''],
  ['', '', '', ''],
])('%s', (name, repository, tag, digest) => {
  expect(parseImageName(name)).toEqual({ repository, tag, digest });
});

test('several names of one image say more than one', () => {
  expect(describeImage([DIGEST, 'app:1', `app@${DIGEST}`])).toEqual({ repository: 'app', tag: '1', digest: DIGEST });
  expect(describeImage([`app@${DIGEST}`, 'other:2', 'app:3'])).toEqual({ repository: 'app', tag: '3', digest: DIGEST });
  expect(describeImage([])).toEqual({ repository: '', tag: '', digest: '' });
});
